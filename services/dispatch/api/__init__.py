"""The HTTP door of dispatch: `/api/dispatch/v1`. Translates; decides nothing."""
