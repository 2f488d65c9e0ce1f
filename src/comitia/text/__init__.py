"""From text to numbers (III.A): context graphs, vectors, clusters, and the public codebook all members share."""
