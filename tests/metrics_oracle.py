"""The plain formulas of the metrics, written out: slow, obvious, and sharing no code with ours.

Every function takes two sources and the fused image, I1, I2, If: 8-bit grey arrays (H, W), and
returns a float; for the profile ``vifb`` they are one colour channel at a time. Windows are whole
two-dimensional kernels and histograms are filled pixel by pixel, in float64. Undefined values
(constant images, no edges at all) are left to the arithmetic: NaN, and NumPy's warnings.
"""

from math import log, log2, log10, pi, sqrt

import numpy as np
from scipy.signal import convolve2d

LEVELS = 256


def pixels(image):
    """The image as float64, as 8-bit differences would wrap around."""
    return np.asarray(image).astype(np.float64)


def histogram(image):
    """p[k], the share of the pixels that have grey level k."""
    p = [0.0] * LEVELS
    for k in image.ravel().tolist():
        p[k] += 1
    return [count / image.size for count in p]


def joint_histogram(a, b):
    """p[i][j], the share of the pixels where a has level i and b has level j."""
    p = [[0.0] * LEVELS for _ in range(LEVELS)]
    for i, j in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        p[i][j] += 1
    return [[count / a.size for count in row] for row in p]


def gaussian(size, sigma, *, normalised):
    """exp(−(x² + y²) / 2σ²) on a size × size grid around 0; its sum is 1, or it is over 2πσ²."""
    half = size // 2
    w = np.zeros((size, size))
    for y in range(size):
        for x in range(size):
            w[y, x] = np.exp(-((x - half) ** 2 + (y - half) ** 2) / (2 * sigma**2))
    return w / w.sum() if normalised else w / (2 * pi * sigma**2)


def stretched(image):
    """round(255 (I − min I) / (max I − min I)), halves rounded away from zero as in MATLAB."""
    image = pixels(image)
    image = 255 * (image - image.min()) / (image.max() - image.min())
    return np.floor(image + 0.5).astype(np.uint8)


def mutual_information(a, b):
    """Σ_ij p(i, j) ln( p(i, j) / (p(i) p(j)) ), in nats."""
    joint, pa, pb = joint_histogram(a, b), histogram(a), histogram(b)
    total = 0.0
    for i in range(LEVELS):
        for j in range(LEVELS):
            if joint[i][j] > 0:
                total += joint[i][j] * log(joint[i][j] / (pa[i] * pb[j]))
    return total


def mi(I1, I2, If):
    """MI(I1, If) + MI(I2, If) over 256 grey levels, in nats (Qu, Zhang, Yan 2002)."""
    return mutual_information(I1, If) + mutual_information(I2, If)


def mi_vifb(I1, I2, If):
    """The same of images stretched to 0…255."""
    return mi(stretched(I1), stretched(I2), stretched(If))


def cross_entropy(source, fused):
    """Σ_k p_k log2(p_k / q_k), p of the source, q of the fused; none where either is empty."""
    total = 0.0
    for p, q in zip(histogram(source), histogram(fused), strict=True):
        if p > 0 and q > 0:
            total += p * log2(p / q)
    return total


def ce(I1, I2, If):
    """D(I1, If) + D(I2, If)."""
    return cross_entropy(I1, If) + cross_entropy(I2, If)


def ce_vifb(I1, I2, If):
    """( D(I1, If) + D(I2, If) ) / 2."""
    return (cross_entropy(I1, If) + cross_entropy(I2, If)) / 2


def visual_information(reference, distorted):
    """Pixel-domain VIF of Sheikh and Bovik 2006, four scales.

    Σ log10(1 + g² σ1² / (σv² + σn²)) / Σ log10(1 + σ1² / σn²), sums over scales and windows;
    g = σ12 / σ1², σv² = σ2² − g σ12, σn² = 2. From the second scale on, both images are
    low-passed with the scale's window and every second pixel is kept.
    """
    noise, tiny = 2.0, 1e-10
    a, b = pixels(reference), pixels(distorted)
    numerator = denominator = 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        w = gaussian(size, size / 5, normalised=True)

        def mean(x, w=w):
            return convolve2d(x, w, mode="valid")

        if scale > 0:
            a, b = mean(a)[::2, ::2], mean(b)[::2, ::2]
        var_a = np.maximum(mean(a * a) - mean(a) ** 2, 0)
        var_b = np.maximum(mean(b * b) - mean(b) ** 2, 0)
        cov = mean(a * b) - mean(a) * mean(b)

        g = cov / (var_a + tiny)
        rest = var_b - g * cov
        # A flat window of the reference explains nothing of the distorted image.
        flat = var_a < tiny
        g, rest, var_a = np.where(flat, 0, g), np.where(flat, var_b, rest), np.where(flat, 0, var_a)
        # A flat window of the distorted image holds nothing, noise included.
        flat = var_b < tiny
        g, rest = np.where(flat, 0, g), np.where(flat, 0, rest)
        # What has the opposite sign is noise altogether.
        opposite = g < 0
        g, rest = np.where(opposite, 0, g), np.where(opposite, var_b, rest)
        rest = np.maximum(rest, tiny)

        numerator += np.sum(np.log10(1 + g**2 * var_a / (rest + noise)))
        denominator += np.sum(np.log10(1 + var_a / noise))
    return float(numerator / denominator)


def vif(I1, I2, If):
    """VIF(I1, If) + VIF(I2, If)."""
    return visual_information(I1, If) + visual_information(I2, If)


def edges(image):
    """Strength and angle of Sobel's gradient, the image being 0 outside."""
    across = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    down = np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])
    sx = convolve2d(image, across, mode="same")
    sy = convolve2d(image, down, mode="same")
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.where(sx == 0, pi / 2, np.arctan(sy / sx))
    return np.sqrt(sx**2 + sy**2), angle


def edges_kept(source, fused):
    """Q(x, y) = Qg Qα: how much of the source's edge strength and angle the fused image keeps.

    G = the smaller strength over the larger, g_F where they are equal; A = 1 − |α_S − α_F| / (π/2);
    Qg = 0.9994 / (1 + exp(−15 (G − 0.5))), Qα = 0.9879 / (1 + exp(−22 (A − 0.8))).
    """
    (gs, angle_s), (gf, angle_f) = source, fused
    with np.errstate(divide="ignore", invalid="ignore"):
        G = np.where(gs > gf, gf / gs, np.where(gs == gf, gf, gs / gf))
    A = 1 - np.abs(angle_s - angle_f) / (pi / 2)
    Qg = 0.9994 / (1 + np.exp(-15 * (G - 0.5)))
    Qa = 0.9879 / (1 + np.exp(-22 * (A - 0.8)))
    return Qg * Qa


def qabf(I1, I2, If, scale=1.0):
    """Σ (Q1F g1 + Q2F g2) / Σ (g1 + g2) of Xydeas and Petrović 2000, g the edge strengths."""
    one, two, fused = (edges(scale * pixels(image)) for image in (I1, I2, If))
    kept = edges_kept(one, fused) * one[0] + edges_kept(two, fused) * two[0]
    return float(np.sum(kept) / np.sum(one[0] + two[0]))


def qabf_vifb(I1, I2, If):
    """The same of values × 255: the scale matters only where two gradients are equal."""
    return qabf(I1, I2, If, scale=255.0)


def frequencies(n):
    """n frequencies in [−1, 1), 0 among them: MATLAB's ``freqspace``."""
    return np.array([2 * (k - n // 2) / n for k in range(n)])


def seen(image):
    """The image through the eye's contrast sensitivity, exp(−(r/f0)²) − a exp(−(r/f1)²)."""
    f0, f1, a = 15.3870, 1.3456, 0.7622
    height, width = image.shape
    u, v = np.meshgrid(frequencies(width) * width / 30, frequencies(height) * height / 30)
    r = np.sqrt(u**2 + v**2)
    sensitivity = np.exp(-((r / f0) ** 2)) - a * np.exp(-((r / f1) ** 2))
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    return np.real(np.fft.ifft2(np.fft.ifftshift(spectrum * sensitivity)))


def contrast(image):
    """C' = C³ / (C² + Z), C = |G2 ∗ I / (G4 ∗ I) − 1|, Gσ on 31 × 31, the image 0 outside."""
    narrow = convolve2d(image, gaussian(31, 2, normalised=False), mode="same")
    wide = convolve2d(image, gaussian(31, 4, normalised=False), mode="same")
    C = np.abs(narrow / wide - 1)
    return C**3 / (C**2 + 0.0001)


def qcb(I1, I2, If):
    """Mean of λ1 Q1F + λ2 Q2F of Chen and Blum 2009, of images stretched to 0…255.

    QiF = min(Ci', Cf') / max(Ci', Cf'), λ1 = C1'² / (C1'² + C2'²), λ2 = 1 − λ1.

    Far from everything on a black background, C is a quotient of rounding errors. In PET images
    that is up to 28 % of the pixels: the same sums in another order change the third decimal.
    """
    C1, C2, Cf = (contrast(seen(pixels(stretched(image)))) for image in (I1, I2, If))
    Q1 = np.minimum(C1, Cf) / np.maximum(C1, Cf)
    Q2 = np.minimum(C2, Cf) / np.maximum(C2, Cf)
    weight = C1**2 / (C1**2 + C2**2)
    return float(np.mean(weight * Q1 + (1 - weight) * Q2))


def similarity(a, b, w, data_range, correction):
    """Mean of (2 μa μb + c1)(2 σab + c2) / ((μa² + μb² + c1)(σa² + σb² + c2)), Wang et al. 2004.

    Over the windows w that lie inside the image; c1 = (0.01 L)², c2 = (0.03 L)², L the data range;
    σ² and σab are multiplied by the correction.
    """
    a, b = pixels(a), pixels(b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2

    def mean(x):
        return convolve2d(x, w, mode="valid")

    ma, mb = mean(a), mean(b)
    var_a = correction * (mean(a * a) - ma**2)
    var_b = correction * (mean(b * b) - mb**2)
    cov = correction * (mean(a * b) - ma * mb)
    top = (2 * ma * mb + c1) * (2 * cov + c2)
    return float(np.mean(top / ((ma**2 + mb**2 + c1) * (var_a + var_b + c2))))


def ssim(I1, I2, If):
    """SSIM(I1, If) + SSIM(I2, If): uniform 7 × 7 windows, covariances over N − 1, L = 2."""
    w = np.full((7, 7), 1 / 49)
    return similarity(I1, If, w, 2, 49 / 48) + similarity(I2, If, w, 2, 49 / 48)


def ssim_vifb(I1, I2, If):
    """SSIM(I1, If) + SSIM(I2, If): Gaussian 11 × 11, σ 1.5, covariances over N, L = 255."""
    w = gaussian(11, 1.5, normalised=True)
    return similarity(I1, If, w, 255, 1) + similarity(I2, If, w, 255, 1)


def en(I1, I2, If):
    """−Σ_k p_k log2 p_k of the fused image, in bits."""
    return -sum(p * log2(p) for p in histogram(If) if p > 0)


def sd(I1, I2, If):
    """sqrt( mean (If − mean If)² )."""
    If = pixels(If)
    return sqrt(np.mean((If - np.mean(If)) ** 2))


def sf(I1, I2, If):
    """sqrt( mean of (If[y, x] − If[y, x−1])² + mean of (If[y, x] − If[y−1, x])² )."""
    If = pixels(If)
    across = np.mean((If[:, 1:] - If[:, :-1]) ** 2)
    down = np.mean((If[1:, :] - If[:-1, :]) ** 2)
    return sqrt(across + down)


def sf_vifb(I1, I2, If):
    """The same with sums of squares over the number of pixels instead of the differences."""
    If = pixels(If)
    across = np.sum((If[:, 1:] - If[:, :-1]) ** 2) / If.size
    down = np.sum((If[1:, :] - If[:-1, :]) ** 2) / If.size
    return sqrt(across + down)


def ag(I1, I2, If):
    """Mean of sqrt( (∂x If² + ∂y If²) / 2 ), central differences, one-sided at the border."""
    down, across = np.gradient(pixels(If))
    return float(np.mean(np.sqrt((across**2 + down**2) / 2)))


def ag_vifb(I1, I2, If):
    """The sum of AG over all pixels, divided by (H − 1)(W − 1)."""
    height, width = If.shape
    return ag(I1, I2, If) * height * width / ((height - 1) * (width - 1))


def correlation(a, b):
    """Σ (a − mean a)(b − mean b) / sqrt( Σ (a − mean a)² Σ (b − mean b)² )."""
    a, b = a - np.mean(a), b - np.mean(b)
    return float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))


def scd(I1, I2, If):
    """r(If − I2, I1) + r(If − I1, I2) (Aslantas and Bendes 2015)."""
    I1, I2, If = pixels(I1), pixels(I2), pixels(If)
    return correlation(If - I2, I1) + correlation(If - I1, I2)


def cc(I1, I2, If):
    """( r(I1, If) + r(I2, If) ) / 2."""
    I1, I2, If = pixels(I1), pixels(I2), pixels(If)
    return (correlation(I1, If) + correlation(I2, If)) / 2


def mse(I1, I2, If):
    """( mean (I1 − If)² + mean (I2 − If)² ) / 2."""
    I1, I2, If = pixels(I1), pixels(I2), pixels(If)
    return float((np.mean((I1 - If) ** 2) + np.mean((I2 - If) ** 2)) / 2)


def psnr(I1, I2, If):
    """10 log10( (max If)² / MSE ), in decibels: the fused image's own maximum is the peak."""
    return 10 * log10(np.max(pixels(If)) ** 2 / mse(I1, I2, If))


def psnr_vifb(I1, I2, If):
    """10 log10( 255² / mean of ‖I1 − If‖ / (H W) and ‖I2 − If‖ / (H W) ), ‖x‖ = sqrt( Σ x² )."""
    I1, I2, If = pixels(I1), pixels(I2), pixels(If)
    errors = [sqrt(np.sum((source - If) ** 2)) / If.size for source in (I1, I2)]
    return 10 * log10(255**2 / np.mean(errors))


PAPER = {
    "MI": mi,
    "CE": ce,
    "VIF": vif,
    "Qabf": qabf,
    "Qcb": qcb,
    "SSIM": ssim,
    "EN": en,
    "SD": sd,
    "SF": sf,
    "AG": ag,
    "SCD": scd,
    "CC": cc,
    "PSNR": psnr,
    "MSE": mse,
}

VIFB = {
    "MI": mi_vifb,
    "CE": ce_vifb,
    "Qabf": qabf_vifb,
    "Qcb": qcb,
    "SSIM": ssim_vifb,
    "EN": en,
    "SD": sd,
    "SF": sf_vifb,
    "AG": ag_vifb,
    "PSNR": psnr_vifb,
}
