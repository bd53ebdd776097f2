"""The pure core: values and functions over them. No IO, no clock, no async, no logging."""
