"""What `tulle` shows, as tables and text: nothing here prints."""
