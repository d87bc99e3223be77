"""Matrix products and the layer `linear`."""
