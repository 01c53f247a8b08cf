"""One line of a publisher's file to a Row: files, lines, cells; one file a layout in formats/. No pixels, no corpus."""
