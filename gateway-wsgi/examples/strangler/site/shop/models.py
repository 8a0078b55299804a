from django.db import models


class Product(models.Model):
    sku = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    grams = models.PositiveIntegerField()
    stock = models.IntegerField(default=0)

    def __str__(self):
        return self.name


class Feedback(models.Model):
    name = models.CharField(max_length=100)
    text = models.TextField()
    sent = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "feedback"

    def __str__(self):
        return f"{self.name}: {self.text[:40]}"
