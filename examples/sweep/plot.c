/* SPDX-License-Identifier: MIT */
#include "sweep/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { WIDTH = 1180, HEIGHT = 560, PANEL_TOP = 70, PANEL_HEIGHT = 410, PANEL_WIDTH = 480, BINS = 40 };

/* A panel's corner, and what its sides stand for. */
struct panel {
    double left;
    double x0, x1, y1; /* y0 is 0 */
};

static double to_x(const struct panel *panel, double x)
{
    return panel->left + (x - panel->x0) / (panel->x1 - panel->x0) * PANEL_WIDTH;
}

static double to_y(const struct panel *panel, double y)
{
    return PANEL_TOP + PANEL_HEIGHT * (1 - y / panel->y1);
}

static void draw_frame(FILE *out, const struct panel *panel, const char *title, const char *below, double x_step,
                       double y_step, int y_digits)
{
    fprintf(out, "<text x='%.0f' y='%d' class='title'>%s</text>\n", panel->left, PANEL_TOP - 22, title);
    for (int i = 0; i * y_step <= panel->y1 * 1.0001; i++)
        fprintf(out, "<path class='grid' d='M%.1f %.1fh%d'/><text x='%.1f' y='%.1f' class='right'>%.*f</text>\n",
                panel->left, to_y(panel, i * y_step), PANEL_WIDTH, panel->left - 8, to_y(panel, i * y_step) + 4,
                y_digits, i * y_step);
    for (int i = 0; panel->x0 + i * x_step <= panel->x1 * 1.0001; i++)
        fprintf(out, "<text x='%.1f' y='%d' class='middle'>%.0f</text>\n", to_x(panel, panel->x0 + i * x_step),
                PANEL_TOP + PANEL_HEIGHT + 20, panel->x0 + i * x_step);
    fprintf(out, "<text x='%.1f' y='%d' class='middle'>%s</text>\n", panel->left + PANEL_WIDTH / 2.0,
            PANEL_TOP + PANEL_HEIGHT + 44, below);
}

/* A step for about five lines up to `top`. */
static double nice_step(double top)
{
    const double rough = top / 5, power = pow(10, floor(log10(rough))), lead = rough / power;
    return (lead > 5 ? 10 : lead > 2 ? 5 : lead > 1 ? 2 : 1) * power;
}

static void draw_prices(FILE *out, const struct call *calls, const struct estimate *estimates, size_t count,
                        double years)
{
    struct panel panel = {.left = 60, .x0 = INFINITY, .x1 = -INFINITY};
    double slowest = INFINITY, fastest = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        panel.x0 = fmin(panel.x0, calls[i].strike);
        panel.x1 = fmax(panel.x1, calls[i].strike);
        slowest = fmin(slowest, calls[i].volatility);
        fastest = fmax(fastest, calls[i].volatility);
        if (calls[i].years == years)
            panel.y1 = fmax(panel.y1, call_closed_form(&calls[i]));
    }
    const double step = nice_step(panel.y1);
    panel.y1 = ceil(panel.y1 / step) * step;
    char title[128];
    snprintf(title, sizeof title, "Calls after %.2f years: simulated, and the formula's lines", years);
    draw_frame(out, &panel, title, "strike (bars: 2 standard errors; blue: low volatility, red: high)", 10, step, 0);
    double last_volatility = -1;
    for (size_t i = 0; i < count; i++) {
        if (calls[i].years != years)
            continue;
        const double warmth = fastest > slowest ? (calls[i].volatility - slowest) / (fastest - slowest) : 0;
        const double x = to_x(&panel, calls[i].strike), y = to_y(&panel, estimates[i].price);
        const double reach = 2 * estimates[i].standard_error / panel.y1 * PANEL_HEIGHT;
        fprintf(out, "<g stroke='hsl(%.0f 75%% 45%%)'>", 225 - 225 * warmth);
        if (calls[i].volatility != last_volatility) {
            for (int j = 0; j <= 60; j++) {
                struct call other = calls[i];
                other.strike = panel.x0 + (panel.x1 - panel.x0) * j / 60;
                fprintf(out, "%s%.1f %.1f", j ? "L" : "<path class='line' d='M", to_x(&panel, other.strike),
                        to_y(&panel, call_closed_form(&other)));
            }
            fputs("'/>", out);
            last_volatility = calls[i].volatility;
        }
        fprintf(out, "<path d='M%.1f %.1fv%.1f'/><circle cx='%.1f' cy='%.1f' r='2'/></g>\n", x, y - reach, 2 * reach, x,
                y);
    }
}

static void draw_deviations(FILE *out, const struct call *calls, const struct estimate *estimates, size_t count)
{
    struct panel panel = {.left = 640, .x0 = -4, .x1 = 4, .y1 = 0.5};
    const double width = (panel.x1 - panel.x0) / BINS;
    size_t bins[BINS] = {0};
    for (size_t i = 0; i < count; i++) {
        const double bin = floor((call_deviation(&calls[i], &estimates[i]) - panel.x0) / width);
        bins[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : (int)bin]++;
    }
    draw_frame(out, &panel, "All deviations, in standard errors, and the normal density", "deviation", 1, 0.1, 1);
    for (int i = 0; i < BINS; i++) {
        const double y = to_y(&panel, fmin((double)bins[i] / (double)count / width, panel.y1));
        fprintf(out, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>\n", to_x(&panel, panel.x0 + i * width) + 0.5,
                y, PANEL_WIDTH / (double)BINS - 1, PANEL_TOP + PANEL_HEIGHT - y);
    }
    for (int i = 0; i <= 100; i++) {
        const double x = panel.x0 + (panel.x1 - panel.x0) * i / 100;
        fprintf(out, "%s%.1f %.1f", i ? "L" : "<path class='normal' d='M", to_x(&panel, x),
                to_y(&panel, exp(-0.5 * x * x) * M_2_SQRTPI * M_SQRT1_2 / 2));
    }
    fputs("'/>\n", out);
}

bool plot_write(const char *path, const struct call *calls, const struct estimate *estimates, size_t count,
                double years)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return false;
    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='13'>\n"
            "<style>.title{font-size:14px;font-weight:bold}.right{text-anchor:end}.middle{text-anchor:middle}"
            ".grid{stroke:#ddd}.line,.normal{fill:none;stroke-width:1.2}.normal{stroke:#c33;stroke-width:2}"
            "rect{fill:#88a6d8}circle{fill:#fff}</style>\n"
            "<rect width='100%%' height='100%%' style='fill:#fff'/>\n",
            WIDTH, HEIGHT);
    draw_prices(out, calls, estimates, count, years);
    draw_deviations(out, calls, estimates, count);
    fputs("</svg>\n", out);
    const bool written = !ferror(out);
    return fclose(out) == 0 && written;
}
