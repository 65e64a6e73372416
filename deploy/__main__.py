"""`python -m deploy`: `entraide` where it is not installed as a command, as in the containers."""

from deploy.cli import main

main()
