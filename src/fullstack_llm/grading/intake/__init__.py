"""Turn a folder or a zip into submissions: find files and students, read class lists, choose the file to grade."""
