"""Where commands run: a machine reached by SSH, or this one. Scripts, streams and jobs."""
