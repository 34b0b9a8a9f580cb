"""Networks in the formats of others: one format a file, or a folder where it takes several."""
