-- name: hold_claim
-- $1 tenant, $2 run, $3 claim. Returns a row, and holds the run as it is until the transaction ends, if the claim still holds.
SELECT 1 AS held FROM runs WHERE tenant = $1 AND run_id = $2 AND claim = $3 AND worker_id IS NOT NULL FOR SHARE
