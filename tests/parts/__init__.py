"""The test parts of every suite in this repository: one pytest plugin, loaded with `-p parts.plugin`."""
