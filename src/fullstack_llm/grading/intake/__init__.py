"""From a folder or an archive to submissions: files, names of students, class lists, the file that counts."""
