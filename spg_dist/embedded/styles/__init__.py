"""How a scene looks in each domain: one module per style, each with `render(scene, rng)`."""
