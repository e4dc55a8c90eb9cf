"""What people see: the console, and JSON for programs."""
