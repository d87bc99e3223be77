"""Gathering and scattering by index arrays."""
