"""The exact probability flow of Gaussian data: the independent truth of several tests."""


def gaussian_flow(mean, variance, alpha_from, alpha_to, x):
    """Carry ``x`` between two values of ``alphas_cumprod``; ``1.0`` stands for the clean image.

    ``x_t = sqrt(a_t) mu + sqrt((a_t s^2 + 1 - a_t) / (a_u s^2 + 1 - a_u)) (x_u - sqrt(a_u) mu)``, pixel by pixel.
    """
    spread = ((alpha_to * variance + 1 - alpha_to) / (alpha_from * variance + 1 - alpha_from)) ** 0.5
    return alpha_to**0.5 * mean + spread * (x - alpha_from**0.5 * mean)
