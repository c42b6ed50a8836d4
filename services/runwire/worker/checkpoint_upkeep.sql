-- name: hold_claim
-- $1 run, $2 claim. Returns a row, and holds the run as it is until the transaction ends, if the claim still holds.
SELECT 1 AS held FROM runs WHERE run_id = $1 AND claim = $2 AND status = 'running' FOR SHARE
