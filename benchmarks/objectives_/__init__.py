"""What objectives are worth: settings, records, a world that is listed whole and the small model."""
