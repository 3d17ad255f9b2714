"""The commands behind the command line; none imports torch before its settings are accepted."""
