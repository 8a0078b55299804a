from django import forms

from .models import Feedback


class FeedbackForm(forms.ModelForm):
    class Meta:
        model = Feedback
        fields = ["name", "text"]


class StockForm(forms.Form):
    file = forms.FileField(label="A CSV file: sku,stock")
