"""Counter-based random numbers (Philox 4x32-10)."""
