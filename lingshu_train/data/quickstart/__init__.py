"""What the quickstart alone needs: drawn lesions, pictures of installed packages, their questions."""
