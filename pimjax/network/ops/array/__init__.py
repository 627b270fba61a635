"""Through the bitlines: convolution and matrix product."""
