"""What every Runwire process needs: settings, its life, its gRPC server, errors, Postgres, Redis, paging.

It knows nothing of any single service, and never imports one.
"""
