-- Why: what could not be read when it came is read again at the start of a build that may read it; without
-- an index each start would read months of messages to find that there are none.
-- Old code still runs: yes; it does not ask. While the index is built (seconds for a million messages, and it
-- holds next to none of them) messages that come wait; the gateways keep what is not taken.

CREATE INDEX inbound_unread ON hub.inbound (id)
  WHERE state = 'refused' AND why IN ('unreadable', 'other_build');
