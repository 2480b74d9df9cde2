"""The conditional GAN of stage 2: generator, discriminator, their step and their training."""
