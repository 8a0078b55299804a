import csv
import io

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from .forms import FeedbackForm, StockForm
from .models import Product


def index(request):
    return render(request, "shop/index.html", {"products": Product.objects.order_by("sku")})


def feedback(request):
    form = FeedbackForm(request.POST or None)
    if form.is_valid():
        form.save()
        messages.success(request, "Thank you.")
        return redirect("index")
    return render(request, "shop/form.html", {"title": "Feedback", "form": form})


@login_required
def upload_stock(request):
    form = StockForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        rows = csv.reader(io.TextIOWrapper(form.cleaned_data["file"], "utf-8"))
        changed = sum(Product.objects.filter(sku=sku).update(stock=int(stock)) for sku, stock in rows)
        messages.success(request, f"{changed} products have changed.")
        return redirect("index")
    return render(request, "shop/form.html", {"title": "Stock", "form": form})


class Line:
    """What csv writes to: each row is sent as it is made."""

    def write(self, row):
        return row


def orders(request):
    writer = csv.writer(Line())
    products = list(Product.objects.order_by("sku"))

    def rows():
        yield writer.writerow(["order", "sku", "pieces"])
        for number in range(1, 10_001):
            product = products[number % len(products)]
            yield writer.writerow([number, product.sku, number % 7 + 1])

    return StreamingHttpResponse(rows(), content_type="text/csv; charset=utf-8")


ZONES = {"DE": 490, "AT": 890, "CH": 1490, "FR": 1190}


@require_safe
def shipping(request):
    """Cents for a parcel: a base for each country, and 60 for each started 500 grams after the first."""
    country = request.GET.get("country", "")
    grams = request.GET.get("grams", "")
    if country not in ZONES or not (grams.isascii() and grams.isdigit()) or not 0 < int(grams) <= 31_500:
        return JsonResponse({"error": "country or grams"}, status=400)
    steps = (int(grams) - 1) // 500
    return JsonResponse({"country": country, "grams": int(grams), "cents": ZONES[country] + 60 * steps})


# Code 39: wide and narrow, bars and gaps in turn.
CODE_39 = {
    "0": "nnnwwnwnn", "1": "wnnwnnnnw", "2": "nnwwnnnnw", "3": "wnwwnnnnn", "4": "nnnwwnnnw", "5": "wnnwwnnnn",
    "6": "nnwwwnnnn", "7": "nnnwnnwnw", "8": "wnnwnnwnn", "9": "nnwwnnwnn", "A": "wnnnnwnnw", "B": "nnwnnwnnw",
    "C": "wnwnnwnnn", "D": "nnnnwwnnw", "E": "wnnnwwnnn", "F": "nnwnwwnnn", "G": "nnnnnwwnw", "H": "wnnnnwwnn",
    "I": "nnwnnwwnn", "J": "nnnnwwwnn", "K": "wnnnnnnww", "L": "nnwnnnnww", "M": "wnwnnnnwn", "N": "nnnnwnnww",
    "O": "wnnnwnnwn", "P": "nnwnwnnwn", "Q": "nnnnnnwww", "R": "wnnnnnwwn", "S": "nnwnnnwwn", "T": "nnnnwnwwn",
    "U": "wwnnnnnnw", "V": "nwwnnnnnw", "W": "wwwnnnnnn", "X": "nwnnwnnnw", "Y": "wwnnwnnnn", "Z": "nwwnwnnnn",
    "-": "nwnnnnwnw", "*": "nwnnwnwnn",
}


@require_safe
def barcode(request, code):
    """The code as Code 39, for labels."""
    text = code.upper()
    if not text or len(text) > 40 or any(char not in CODE_39 or char == "*" for char in text):
        return HttpResponse("no such code\n", status=404, content_type="text/plain; charset=utf-8")
    x, bars = 10, []
    for char in f"*{text}*":
        for place, width in enumerate(CODE_39[char]):
            width = 3 if width == "w" else 1
            if place % 2 == 0:
                bars.append(f"M{x} 5v40h{width}v-40z")
            x += width
        x += 1
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x + 9} 50"><title>{text}</title>'
           f'<path d="{"".join(bars)}"/></svg>\n')
    return HttpResponse(svg, content_type="image/svg+xml")


def boom(request):
    """What a bug looks like from outside."""
    return HttpResponse(price_of(request.GET.get("sku", "lamp")))


def price_of(sku):
    prices = {"desk": 199}
    try:
        return prices[sku]
    except KeyError as error:
        raise LookupError(f"no price for {sku}") from error
