"""The `tulle` command: the only place that prints or exits."""
