"""The report as one HTML page."""

from analysis.model import REPORT_HTML
from analysis.outputs.html.page import render
from analysis.outputs.output import Output

OUTPUT = Output(REPORT_HTML, render)
