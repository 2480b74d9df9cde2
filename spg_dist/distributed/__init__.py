"""The only room of spg_dist that knows Ray: it decides where work runs. `place` imports Ray only where it is used."""
