"""All that the app knows of Shopify."""
