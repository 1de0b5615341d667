"""Prepare what a model reads (a crawl, its copies and filters, mixtures, rows, order), and train it on that."""
