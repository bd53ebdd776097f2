"""What the embedded gateway's management API keeps."""
