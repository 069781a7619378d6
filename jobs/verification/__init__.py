"""Finished runs trained again, and every number compared: `regularize verify`."""
