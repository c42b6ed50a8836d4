"""Redis: wake-ups, cancels, live events and the attempt counter. A hint and never the truth.

Nothing but this package knows Redis, its keys and its channels. Nothing here holds run data, and nothing here fails
because Redis does: what could not be told is found in Postgres a moment later.

    <prefix>:wake:<graph_id>         list     sentinels: a run of this graph is ready
    <prefix>:wake-state:<graph_id>   list     sentinels: a thread state request for this graph is there
    <prefix>:cancel:<run>            string   the action; expires
    <prefix>:attempt:<run>           string   how often the run was begun; expires
    <prefix>:control:<worker_id>     channel  dispatch to worker: "<run> <action>"
    <prefix>:events:<run>            channel  worker to stream: StreamRunResponse bytes
    <prefix>:thread:<thread>         channel  run ids that begin and end
    <prefix>:done:<request_id>       channel  worker to dispatch: the state request is answered

<run> and <thread> are the ids as they are for the default tenant, and `<tenant>/<id>` for the others.
"""

from runwire.core.bus.commands import Bus
from runwire.core.bus.keys import Keys
from runwire.core.bus.subscriptions import Subscriptions

__all__ = ["Bus", "Keys", "Subscriptions"]
