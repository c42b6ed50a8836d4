"""Stream: whatever stays open. It follows runs (StreamRun) and threads (StreamThread) for readers, and waits for runs'
ends (WaitRun).

It reads Postgres and listens to Redis. It writes one thing: the cancel of a run whose reader asked for that and was cut
off, by the SQL function that Dispatch calls as well. It holds nothing that another replica needs.

How a run is followed
---------------------

A worker numbers the events of each claim from 1 on, publishes them at once and logs them a moment later. So
what is live may be missing from the log for a flush interval, and what is in the log may never have been
live. One reader's stream is put together like this:

1. Subscribe to the run's channel and wait until Redis has acknowledged; from here on live events queue up.
   Without Redis the stream goes on, and polls.
2. Send initial metadata.
3. Look: one statement reads the run's row and a page of its log after the reader's position, so both are of
   the same moment. Pages are sent until the log has no more.
4. Go live. Every batch is compared with the position (`position.fit`):
   - next: it is sent as it came;
   - seen: it is dropped, or what was not sent of it is sent;
   - ahead, by a hole: it waits while the log is looked at, until that fills the hole. When the log can't fill
     it any more (it holds later events of the claim, the claim is over, or the run has ended) a Gap says so;
   - of a newer claim: it waits for one look, which brings whatever the claims before it have logged; nothing
     is ever added to these. Batches of older claims are dropped: their sender is not the owner any more.
   A batch that is next proves that nothing before it was missed, and costs no look.
5. After a look there is another one, one and a half flush intervals later, unless a live batch proved it
   needless; and then one in each poll interval of silence. They find what no later event exposes: a lost last
   event, a run that ended without a worker. A message that may have been missed (Redis reconnected, the queue
   overflowed) asks for a look too, and so does an empty message.
6. A look that sees a final status is the last: the same statement has brought all events. Where `finished` is
   not among them, it is derived from the row, with the first id of the claim that will never be: it is the
   same for every reader and comes after every id that was ever sent.

Looks run beside the live stream: while Postgres is away, contiguous live events and heartbeats go on.

Each reader has a bounded queue. The fan-out never waits for a reader: one whose queue overflows loses the
queue and finds the events in the log again.

How a thread is followed
------------------------

Runs of a thread never run at the same time, so they are followed one after another, each as above, in the order in
which they began. A run that ended before it began has its place by its end, and `finished` alone.

1. Subscribe to the thread's channel, look, and send initial metadata. One look brings the runs that began after a
   moment, a page at a time, and the run that is active or next in the queue. The moment is now, or the one that the
   reader's event id tells. Runs that have ended are read off the log without being subscribed to.
2. While no run is to be told, the run that is next in the queue is subscribed to: it is heard from its first event on.
   The thread's channel, which names runs as they are created, begin and end, asks for a look, and so does each poll
   interval: what is heard is a hint, what is told is in Postgres.
3. An early end is held back for two seconds while a run is next in the queue: that run may be being claimed by a
   transaction that can't be seen yet, with an earlier beginning. So the order is the same for every reader.

An event's id in a thread's stream is the run, the event's id in the run, the moment in which the run began, and whether
the run ended with it. It tells where to go on even when the run has been removed since; then the run's end is told.
"""
