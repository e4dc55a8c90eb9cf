"""What changes something: checkout, install, backup, resolve, deploy. Each is one job."""
