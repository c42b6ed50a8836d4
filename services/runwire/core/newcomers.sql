-- name: welcome
-- $1 tenant
SELECT welcome_tenant($1)
