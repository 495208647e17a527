# SPDX-License-Identifier: GPL-2.0
# Draws a table of the benchmark, in the directory of its results: "name" is
# the table's, "unit" that of its values.

set terminal svg size 800,500 enhanced background rgb 'white'
set output name . '.svg'
set datafile separator "\t"
set style data histograms
set style histogram errorbars gap 2 linewidth 1
set style fill solid 0.7
set boxwidth 0.9
set ylabel unit
set grid ytics
if (name eq 'cost') set yrange [0:*]
if (name ne 'cost') set logscale y
set xtics rotate by -40 noenhanced
set key top left
plot name . '.tsv' skip 1 using 2:3:4:xtic(1) title 'stock' \
		linecolor rgb 0xd62728, \
	'' skip 1 using 5:6:7 title 'ours' linecolor rgb 0x1f77b4
