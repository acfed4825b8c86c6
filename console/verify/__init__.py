"""`tilepool verify`: reads a published export as viewers do and says what they would miss.

Everything is derived from the documents; nothing is known of how tilepool lays an export out.
"""
