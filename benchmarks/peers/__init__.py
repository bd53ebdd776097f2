"""What the product is compared with: programs of others, and what a user would write without any."""
