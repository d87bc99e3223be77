"""Kernels that show that the emulator and a card agree, an instruction each or a generation."""
