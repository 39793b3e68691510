"""The formulas of the report: LaTeX to read here, MathML for the browser.

`formulas.json` holds the MathML, made from the LaTeX by `docs/formulas.py`: so the report needs no other package, and
the page fetches nothing.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

LATEX = {
    "network": r"z_k = a_{k-1} W_k + b_k, \qquad a_k = \sigma(z_k), \qquad a_0 = x, \qquad N(x) = z_L",
    "jacobian": r"J = \frac{dN}{dx} = (W_1 D_1 W_2 D_2 \cdots W_L)^T, \qquad D_k = \operatorname{diag} \sigma'(z_k)",
    "margin": r"m(x) = \pm (N(x) - t) > 0 \;\iff\; \text{fooled}",
    "linear": r"m(x + s) \approx m(x) + g \cdot s, \qquad g = \frac{dm}{dx}",
    "gain": r"\text{gain}_i = \max \left( g_i (1 - x_i),\; g_i (0 - x_i) \right)",
    "sign": r"s = \varepsilon \operatorname{sign}(g) \text{ earns } \varepsilon \|g\|_1, "
    r"\quad\text{so}\quad \varepsilon = \frac{-m}{\|g\|_1}",
    "support": r"h_S(\varepsilon) = \max_{s \in S} g \cdot s = \sum_i |g_i| \min(\varepsilon, \text{room}_i) = -m",
    "bound": r"m(x + s) \le A \cdot (x + s) + c \text{ on } S, \quad\text{so}\quad "
    r"\max_{s \in S} m(x + s) \le A \cdot x + c + h_S(A)",
    "universal": r"\max_{s \in S} \; \text{number of } i \text{ with } m_i(\text{clip}(x_i + s)) > 0",
    "together": r"\max_{s \in S} \sum_i w_i\, m_i(\text{clip}(x_i + s)) \le 0 \;\text{for some}\; w \ge 0,\; w \ne 0"
    r"\quad\Rightarrow\quad \text{no } s \in S \text{ fools them all}",
    "glasses": r"x_i[M] \leftarrow p, \qquad g_p = \sum_i w_i \left(\frac{dm_i}{dx}\right)[M]",
    "combined": r"v = \sum_j w_j \frac{\log(1 + \text{score}_j) - \mu_j}{\sigma_j} + b",
    "defence": r"\min_{\theta} \; \sum_i \; \max_{s \in S} \; L(N_{\theta}(x_i + s),\, y_i)",
    "smooth": r"\min_{j \in 3 \times 3(i)} x_j \;\le\; x_i + s_i \;\le\; \max_{j \in 3 \times 3(i)} x_j",
}


@cache
def mathml() -> dict[str, str]:
    """name: MathML of every formula."""
    content: dict[str, str] = json.loads((files("attacks.report") / "formulas.json").read_text("utf-8"))
    return content


def math(name: str) -> str:
    """One formula as an HTML paragraph."""
    return f'<p class="formula">{mathml()[name]}</p>'
