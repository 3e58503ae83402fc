"""What a check found, in words and pictures: text, HTML and JSON, in every language of the catalogue."""
