"""The marketing department's CRM: contacts with properties, written in batches."""
