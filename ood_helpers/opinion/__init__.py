"""What people see in generated images: a blinded study of opinions, its analysis, and how many raters it takes."""
