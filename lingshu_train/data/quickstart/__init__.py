"""The quickstart's own: drawn lesions, package pictures, questions. Its one door is rows/formats/package_images."""
