"""The public functions of the array standard, made of primitives, a file a family."""
