"""The formulas of the report: LaTeX to read here, MathML for the browser.

`formulas.json` holds the MathML, made from the LaTeX by `docs/formulas.py`: so the report needs no other package, and
the page fetches nothing.  A formula is one or more pieces, each narrow enough for a telephone; where there is room they
stand side by side.

    S   the set of images, as in the homework        B   the perturbation set (`ball` in the code)
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

LATEX = {
    "network": (r"z_k = a_{k-1} W_k + b_k", r"a_k = \sigma(z_k)", r"a_0 = x", r"N(x) = z_L"),
    "jacobian": (r"J = \frac{dN}{dx} = (W_1 D_1 W_2 D_2 \cdots W_L)^T", r"D_k = \operatorname{diag} \sigma'(z_k)"),
    "difference": (r"J_i \approx \frac{N(x + h e_i) - N(x - h e_i)}{2 h}", r"h = 10^{-5}"),
    "margin": (r"m(x) = \pm (N(x) - t)", r"m(x) > 0 \;\iff\; f(x) \text{ is wrong}"),
    "linear": (r"m(x + s) \approx m(x) + g \cdot s", r"g = \frac{dm}{dx}"),
    "gain": (r"\text{gain}_i = \max \left( g_i (1 - x_i),\; g_i (0 - x_i) \right)",),
    "most": (
        r"g \cdot s = \sum_i g_i s_i \le \sum_i |g_i| |s_i| \le \varepsilon \sum_i |g_i|",
        r"s_i = \varepsilon \operatorname{sign}(g_i) \;\Rightarrow\; g_i s_i = \varepsilon |g_i|",
    ),
    "sign": (
        r"s = \varepsilon \operatorname{sign}(g)",
        r"m(x) + \varepsilon \|g\|_1 = 0",
        r"\varepsilon = \frac{-m(x)}{\|g\|_1}",
    ),
    "box": (
        r"s_i = \operatorname{sign}(g_i) \min(\varepsilon, \text{room}_i)",
        r"h_B(\varepsilon) = \sum_i |g_i| \min(\varepsilon, \text{room}_i) = -m(x)",
    ),
    "bound": (
        r"m(x + s) \le A \cdot (x + s) + c \text{ for all } s \in B",
        r"\max_{s \in B} m(x + s) \le A \cdot x + c + h_B(A)",
    ),
    "universal": (r"\max_{s \in B} \; \#\{ x_i \in S : f(x_i + s) \ne f(x_i) \}",),
    "weights": (r"w_i = \frac{1}{1 + e^{m_i / \tau}}", r"G = \sum_i w_i \frac{dm_i}{dx}"),
    "together": (
        r"\max_{s \in B} \sum_i w_i\, m_i(x_i + s) \le 0",
        r"w \ge 0,\; w \ne 0",
    ),
    "glasses": (r"x_i[M] \leftarrow p", r"g_p = \sum_i w_i \frac{dm_i}{dx}[M]"),
    "combined": (r"v = \sum_j w_j \frac{\log(1 + \text{score}_j) - \mu_j}{\sigma_j} + b",),
    "defence": (r"\min_{\theta} \; \sum_i \; \max_{s \in B} \; L(N_{\theta}(x_i + s),\, y_i)",),
    "smooth": (r"\min_{j \in 3 \times 3(i)} x_j \;\le\; x_i + s_i \;\le\; \max_{j \in 3 \times 3(i)} x_j",),
}


@cache
def mathml() -> dict[str, list[str]]:
    """name: MathML of each piece of every formula."""
    content: dict[str, list[str]] = json.loads((files("attacks.report") / "formulas.json").read_text("utf-8"))
    return content


def math(name: str) -> str:
    """One formula as an HTML paragraph."""
    return f'<p class="formula">{" ".join(mathml()[name])}</p>'
