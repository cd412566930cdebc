"""What whoever runs Holdfast has besides it: commands, settings of other parts, pictures, pages."""
