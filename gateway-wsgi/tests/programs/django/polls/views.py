import csv
import threading

from django.db import connection
from django.db.models import F
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views import generic

from .models import Choice, Question


class IndexView(generic.ListView):
    template_name = "polls/index.html"
    context_object_name = "latest_question_list"

    def get_queryset(self):
        return Question.objects.order_by("-pub_date")[:5]


class DetailView(generic.DetailView):
    model = Question
    template_name = "polls/detail.html"


class ResultsView(generic.DetailView):
    model = Question
    template_name = "polls/results.html"


def vote(request, question_id):
    question = get_object_or_404(Question, pk=question_id)
    try:
        selected_choice = question.choice_set.get(pk=request.POST["choice"])
    except (KeyError, Choice.DoesNotExist):
        context = {"question": question, "error_message": "You didn't select a choice."}
        return render(request, "polls/detail.html", context)
    selected_choice.votes = F("votes") + 1
    selected_choice.save()
    return HttpResponseRedirect(reverse("polls:results", args=(question.id,)))


class Echo:
    def write(self, value):
        return value


def votes(request):
    writer = csv.writer(Echo())
    rows = (writer.writerow([choice.choice_text, choice.votes]) for choice in Choice.objects.order_by("id"))
    return StreamingHttpResponse(rows, content_type="text/csv")


def thread(request):
    """Whether the connection of this thread was there before."""
    kept = connection.connection is not None
    connection.ensure_connection()
    return HttpResponse(f"{threading.get_ident()} {kept}")


def fail(request):
    raise ValueError("a view failed")
