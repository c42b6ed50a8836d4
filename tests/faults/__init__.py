"""The fault campaign: a real Runwire under load while all that it stands on breaks, and proof that nothing was lost.

`python -m tests.faults` (or `./buildout.sh faults`) starts two Resources, two Dispatches, two Streams and three
workers, with a Postgres and a Redis, each connection through a proxy that can break it. Users run graphs of many kinds,
followers join and leave, and faults come at random from a seed. Every acknowledged call, every event read and every
line of the graphs' own journal is kept; triggers note each change of a run. Afterwards the checker verifies the
invariants I1 to I14 of all that, by name.

    proxy       breaks connections          load        users, and the stories they play
    rig         the processes               followers   readers of streams
    faults      what breaks, and how        history     what was acknowledged
    audit       what Postgres changed       journal     what user code really ran
    evidence    all of it, for the checker  checker     one function an invariant
    campaign    from start to verdict       record      a campaign's figures, kept
"""
