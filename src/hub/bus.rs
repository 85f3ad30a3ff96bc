//! Wakes whoever waits for news; carries ids only.
